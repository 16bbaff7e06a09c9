import java.util.*;import java.nio.file.*;
public class Main{ public static void main(String[] a)throws Exception{ long samples=0,busy=0,waiting=0,most=0; HashMap<Long,Long> queue=new HashMap<>();
 try(var in=Files.newBufferedReader(Path.of(a[0]))){ String line; while((line=in.readLine())!=null){ StringTokenizer t=new StringTokenizer(line); String[] w=new String[t.countTokens()]; for(int i=0;i<w.length;i++)w[i]=t.nextToken();
  long us=Long.parseLong(w[12]),sy=Long.parseLong(w[13]),wa=Long.parseLong(w[15]),free=Long.parseLong(w[3]),r=Long.parseLong(w[0]);
  samples++;busy+=us+sy;if(wa>50)waiting++;if(free>most)most=free;queue.merge(r,1L,Long::sum);} }
 long common=0;for(long r=0;r<20;r++)if(queue.getOrDefault(r,0L)>queue.getOrDefault(common,0L))common=r;
 System.out.println(samples+" "+busy+" "+waiting+" "+most+" "+queue.size()+" "+common);}}
