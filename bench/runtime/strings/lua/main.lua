local n=math.floor(tonumber(arg[1] or 1000000)) local parts,count,length={},0,0 local total,marks=0,0
for i=0,n-1 do local p="x"..i..";" count=count+1 parts[count]=p length=length+#p
 if length>100000 then local text=table.concat(parts,"",1,count)
  for k=1,#text do if text:byte(k)==120 then marks=marks+1 end end
  local replaced=text:gsub("1","one") total=total+#text+text:find("9;",1,true)-1+#replaced
  parts={text:sub(1,10)} count=1 length=10 end end
print(string.format("%d %d %d",total,marks,length))
